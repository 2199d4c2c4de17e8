<?php
// What this PHP is and how it is set, so that a report can show that all peers are set alike.
$opcache = function_exists('opcache_get_status') ? opcache_get_status(false) : false;
$ini = [];
foreach (explode(',', $_GET['ini'] ?? '') as $name) {
    $ini[$name] = ini_get($name);
}
header('Content-Type: application/json');
echo json_encode([
    'version' => PHP_VERSION,
    'sapi' => PHP_SAPI,
    'is_thread_safe' => (bool) PHP_ZTS,
    'has_opcache' => $opcache !== false && $opcache['opcache_enabled'],
    'has_jit' => $opcache !== false && ($opcache['jit']['on'] ?? false),
    'ini' => $ini,
]);
