<?php
header('Content-Type: text/plain');
echo "first\n";
flush();
$gate = $_GET['gate'];
for ($i = 0; $i < 3000 && !file_exists($gate); $i++) { usleep(10000); clearstatcache(); }
echo file_exists($gate) ? "second\n" : "the gate never opened\n";
