<?php
if (isset($_GET['after'])) { echo str_repeat('y', 100000); flush(); }
posix_kill(posix_getpid(), 9);
