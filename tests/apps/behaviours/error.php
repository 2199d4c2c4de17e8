<?php
header('Content-Type: application/json');
$last = error_get_last();
@trigger_error('left behind', E_USER_WARNING);
echo json_encode(['last' => $last]);
