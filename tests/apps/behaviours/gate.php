<?php
/* Holds its worker until a file appears. */
echo getmypid();
for ($i = 0; $i < 6000 && !file_exists($_GET['gate']); $i++) { usleep(5000); clearstatcache(); }
