<?php
header('Content-Type: application/json');
echo json_encode(['method' => getenv('REQUEST_METHOD'), 'host' => getenv('HTTP_HOST'), 'proxy' => getenv('HTTP_PROXY'), 'home' => getenv('ASKR_TEST_ENV'), 'server' => $_SERVER['ASKR_TEST_ENV'] ?? null]);
