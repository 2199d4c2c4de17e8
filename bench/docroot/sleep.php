<?php
usleep(1000 * min(10000, (int) ($_GET['ms'] ?? 20)));
echo 'slept';
