<?php
echo 'a';
ob_start();
echo 'b';
ob_start(fn (string $s) => strtoupper($s));
echo 'c';
/* Left open: PHP ends them in order. */
