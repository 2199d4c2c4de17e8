<?php
header('Content-Type: application/json');
echo json_encode(['get' => $_GET, 'post' => $_POST, 'cookie' => $_COOKIE, 'request' => $_REQUEST, 'files' => $_FILES,
    'raw' => base64_encode(file_get_contents('php://input')), 'again' => strlen(file_get_contents('php://input'))]);
