<?php
// What came in, as JSON of 1024 bytes.
$body = file_get_contents('php://input');
$seen = [
    'method' => $_SERVER['REQUEST_METHOD'],
    'get' => $_GET,
    'post' => $_POST,
    'body_size' => strlen($body),
    'body_crc32' => crc32($body),
    'pad' => '',
];
$seen['pad'] = str_repeat('x', max(0, 1024 - strlen(json_encode($seen))));
header('Content-Type: application/json');
echo json_encode($seen);
