<?php
header('HTTP/1.1 418 Short and stout');
header('X-One: 1');
header('X-Two: a');
header('X-Two: b', false);
setcookie('a', '1');
setcookie('b', '2', ['httponly' => true, 'samesite' => 'Lax']);
header_remove('X-Powered-By');
echo 'tea';
