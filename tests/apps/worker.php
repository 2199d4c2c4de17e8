<?php
/* Worker mode for plain scripts: every request includes the script that its path names. */
askr_cow_ready();

$serve = function (): void {
    $path = strtok($_SERVER['REQUEST_URI'], '?');
    $script = realpath(__DIR__ . '/behaviours' . $path);
    if ($script === false || !str_starts_with($script, __DIR__ . '/behaviours/')) {
        http_response_code(404);
        echo "no such script\n";
        return;
    }
    include $script;
};

while (askr_handle_request($serve)) {
    gc_collect_cycles();
}
