<?php
// The example that `make serve` shows: who answered, and what PHP was told about the request.

declare(strict_types=1);

header('Content-Type: text/plain; charset=utf-8');

printf("Hello from PHP %s (%s), process %d.\n\n", PHP_VERSION, PHP_SAPI, getmypid());
foreach (['REQUEST_METHOD', 'REQUEST_URI', 'SERVER_PROTOCOL', 'HTTP_HOST', 'REMOTE_ADDR'] as $name) {
    printf("%-16s %s\n", $name, $_SERVER[$name] ?? '-');
}
