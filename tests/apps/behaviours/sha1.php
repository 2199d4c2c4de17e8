<?php
$h = hash_init('sha1'); $n = 0;
$in = fopen('php://input', 'rb');
while (($part = fread($in, 65536)) !== false && $part !== '') { hash_update($h, $part); $n += strlen($part); }
echo $n, ' ', hash_final($h);
