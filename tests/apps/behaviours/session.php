<?php
session_save_path(sys_get_temp_dir());
session_start();
if (isset($_GET['user'])) { $_SESSION['user'] = $_GET['user']; }
$_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
header('Content-Type: application/json');
echo json_encode($_SESSION);
