<?php
// Worker mode of Askr and of FrankenPHP: the same documents, by a script that stays.
$documents = [];
foreach (glob(__DIR__ . '/*.php') as $file) {
    if ($file !== __FILE__) {
        $documents['/' . basename($file)] = $file;
    }
}
$answer = static function () use ($documents): void {
    include $documents[strtok($_SERVER['REQUEST_URI'], '?')] ?? __DIR__ . '/index.php';
};
if (function_exists('askr_cow_ready')) {
    askr_cow_ready();
}

while (askr_handle_request($answer)) {
}
