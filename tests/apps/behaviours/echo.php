<?php
usleep((int) ($_GET['us'] ?? 0));
header('X-Id: ' . $_GET['id']);
echo $_GET['id'], ' ', $_COOKIE['id'] ?? '-', ' ', $_POST['id'] ?? '-', ' ', $_SERVER['HTTP_X_ID'] ?? '-';
