<?php

/**
 * Symfony in worker mode: the kernel is booted once and answers request after request.
 *
 *     askr serve --root public --worker-script symfony-worker.php
 *
 * The application is the folder in ASKR_APP_BASE, else the current one; its kernel is ASKR_APP_KERNEL, else
 * App\Kernel. Copy this file into your project and change it there; docs/worker-mode.md says when that is needed.
 *
 * Askr renews the superglobals for every request, so `Request::createFromGlobals()` sees what it would see under
 * PHP-FPM, uploads included. Services forget a request through Symfony's own `kernel.reset` tag (ResetInterface).
 */

use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\KernelInterface;
use Symfony\Component\HttpKernel\RebootableInterface;
use Symfony\Component\HttpKernel\TerminableInterface;

final class SymfonyWorker
{
    /** Whether the last request came to its end; false while one runs and after one that called exit(). */
    private bool $isFinished = true;

    public function __construct(private KernelInterface&RebootableInterface&TerminableInterface $kernel)
    {
        self::declareRuntimeMode();
        $kernel->boot();
        // The router, the event dispatcher and their listeners, made once and shared by all workers.
        $kernel->getContainer()->get('http_kernel');
        $kernel->getContainer()->get('router')->getRouteCollection();
    }

    /** Answer the request that the superglobals describe. */
    public function answer(): void
    {
        self::declareRuntimeMode();
        self::forgetNativeSession();
        if (! $this->isFinished) {
            // exit() skips every `finally`: the kernel believes that it still handles the last request.
            $this->kernel->reboot(null);
        }
        $this->isFinished = false;
        $request = Request::createFromGlobals();
        // `handle` begins with services_resetter->reset() when there was a request before: not after the response,
        // because the session listener's reset wants headers that have not been sent.
        $response = $this->kernel->handle($request);
        $response->send(); // whatever its kind: content, file or stream
        $finish = function () use ($request, $response): void {
            $this->finish($request, $response);
        };
        // The visitor has the response before listeners of kernel.terminate run, as with PHP-FPM.
        if (! function_exists('askr_defer') || ! askr_defer($finish)) {
            $finish();
        }
    }

    private function finish(Request $request, Response $response): void
    {
        $this->kernel->terminate($request, $response);
        $this->isFinished = true;
    }

    /**
     * Say that this is a web server: Symfony takes PHP_SAPI "embed" for a command line, where it would show an exception
     * to the visitor in full.
     */
    private static function declareRuntimeMode(): void
    {
        $_SERVER['APP_RUNTIME_MODE'] ??= 'web=1&worker=1';
    }

    /** PHP keeps the identifier of a session that was not closed; nobody else may continue it. */
    private static function forgetNativeSession(): void
    {
        if (! function_exists('session_status')) {
            return;
        }
        if (session_status() === PHP_SESSION_ACTIVE) {
            session_abort();
        }
        if (session_id() !== '') {
            session_id('');
        }
    }
}

$base = getenv('ASKR_APP_BASE') ?: getcwd();
require "$base/vendor/autoload.php";
if (class_exists(Symfony\Component\Dotenv\Dotenv::class) && is_file("$base/.env")) {
    (new Symfony\Component\Dotenv\Dotenv())->bootEnv("$base/.env");
}
$class = getenv('ASKR_APP_KERNEL') ?: App\Kernel::class;
$worker = new SymfonyWorker(new $class($_SERVER['APP_ENV'] ?? 'prod', (bool) ($_SERVER['APP_DEBUG'] ?? false)));

// From here on the workers are forked: everything up to this line is in memory once.
if (function_exists('askr_cow_ready')) {
    askr_cow_ready();
}
while (askr_handle_request($worker->answer(...))) {
}
