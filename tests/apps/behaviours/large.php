<?php
/* n bytes whose value says where they are. */
header('Content-Type: application/octet-stream');
for ($n = (int) $_GET['n'], $i = 0; $n > 0; $i++) { $line = sprintf("%015d\n", $i); echo substr($line, 0, min(16, $n)); $n -= 16; }
