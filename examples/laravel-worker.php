<?php

/**
 * Laravel in worker mode: the application is booted once and answers request after request.
 *
 *     askr serve --root public --worker-script laravel-worker.php
 *
 * The application is the folder in ASKR_APP_BASE, else the current one. Copy this file into your project and change
 * it there when your code keeps state of its own; docs/worker-mode.md says what that means.
 *
 * Askr renews the superglobals for every request, so `Request::capture()` sees what it would see under PHP-FPM,
 * uploads included. What Laravel keeps between two requests is this file's affair: see `reset()`.
 */

use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Contracts\Http\Kernel;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Facade;
use Illuminate\Support\Once;
use Illuminate\Support\Str;

final class LaravelWorker
{
    /**
     * Made at boot, so that no request has to make them and all workers share their memory.
     *
     * Not among them, because they hold what belongs to one visitor, and made anew for each request therefore:
     * `auth.driver`, `redirect`, `request`, `session.store`.
     */
    private const WARM = [
        'auth', 'blade.compiler', 'cache', 'config', 'cookie', 'db', 'db.factory', 'db.transactions', 'encrypter',
        'events', 'files', 'hash', 'log', 'router', 'routes', 'session', 'translator', 'url', 'validator', 'view',
        'view.engine.resolver', 'view.finder',
    ];

    /** Services that know how to forget a request: their names, and the methods that do it. */
    private const FORGETTING = [
        'auth' => ['forgetGuards'],
        'cookie' => ['flushQueuedCookies'],
        'livewire' => ['flushState'],
        'log' => ['withoutContext', 'flushSharedContext'],
        'session' => ['forgetDrivers'],
        'view' => ['flushState'],
    ];

    /** Services that a request may change, and that have no method to undo it: their properties are put back. */
    private const PUT_BACK = ['config', 'router', 'url', 'view'];

    private Kernel $kernel;

    /** @var list<Closure(): void> what puts the container and the services of PUT_BACK back to the state after boot */
    private array $putBack = [];

    /** Whether a request has touched the application since it was last reset. */
    private bool $isUsed = false;

    public function __construct(private Application $app)
    {
        // The URL generator and others want a request as soon as they are made, before there is one.
        $app->instance('request', Request::create('http://localhost/'));
        $this->kernel = $app->make(Kernel::class);
        $this->kernel->bootstrap();
        // A deferred provider that was booted within a request would be booted again in the next, listeners and all.
        $app->loadDeferredProviders();
        foreach (array_filter(self::WARM, $app->bound(...)) as $service) {
            $app->make($service);
        }
        // The container as well: what a request binds or makes in it is gone after the request, as with Octane.
        foreach ([$app, ...array_map($app->make(...), array_filter(self::PUT_BACK, $app->bound(...)))] as $object) {
            $this->putBack[] = self::photograph($object);
        }
    }

    /** Answer the request that the superglobals describe. */
    public function answer(): void
    {
        if ($this->isUsed) {
            $this->reset(); // the last request called exit(), or its response could not be sent
        }
        $this->isUsed = true;
        $request = Request::capture();
        $response = $this->kernel->handle($request);
        $response->send(); // whatever its kind: content, file or stream
        $finish = function () use ($request, $response): void {
            $this->finish($request, $response);
        };
        // The visitor has the response before terminating middleware runs, as with PHP-FPM.
        if (! function_exists('askr_defer') || ! askr_defer($finish)) {
            $finish();
        }
    }

    private function finish(Request $request, mixed $response): void
    {
        try {
            $this->kernel->terminate($request, $response);
            $request->route()?->flushController();
        } catch (Throwable $error) {
            $this->app->make(ExceptionHandler::class)->report($error);
        } finally {
            $this->reset();
        }
    }

    /** Forget the request, so that the next one meets the application as it was after boot. */
    private function reset(): void
    {
        $this->rollBackTransactions();
        foreach (self::FORGETTING as $service => $methods) {
            if ($this->app->resolved($service)) {
                foreach ($methods as $method) {
                    $this->app->make($service)->$method();
                }
            }
        }
        $this->app->make('cache')->forgetDriver('array'); // a cache for one request, kept in memory
        $this->app->forgetScopedInstances();
        foreach ($this->putBack as $putBack) {
            $putBack();
        }
        Facade::clearResolvedInstances();
        Str::flushCache();
        Once::flush();
        // Last, because it reads the configuration that was just put back. Dates follow, through an event.
        $locale = $this->app->make('config')->get('app.locale');
        if ($this->app->make('translator')->getLocale() !== $locale) {
            $this->app->setLocale($locale);
        }
        $this->app->make('translator')->setFallback($this->app->make('config')->get('app.fallback_locale'));
        $this->isUsed = false;
    }

    /** Connections stay open for the next request; what it must not inherit is an open transaction. */
    private function rollBackTransactions(): void
    {
        $database = $this->app->make('db');
        foreach ($database->getConnections() as $name => $connection) {
            try {
                if ($connection->transactionLevel() > 0) {
                    $connection->rollBack(0);
                }
                $connection->flushQueryLog();
                $connection->forgetRecordModificationState();
            } catch (Throwable) {
                $database->purge($name); // lost: the next request opens a new one
            }
        }
    }

    /**
     * Return a function that gives `$object` back the properties that it has now.
     *
     * The objects in them are shared and not copied, so this costs next to nothing.
     */
    private static function photograph(object $object): Closure
    {
        $properties = (fn (): array => get_object_vars($this))->call($object);
        $putBack = function () use ($properties): void {
            foreach ($properties as $name => $value) {
                $this->$name = $value;
            }
        };

        return $putBack->bindTo($object, $object::class);
    }
}

$base = getenv('ASKR_APP_BASE') ?: getcwd();
define('LARAVEL_START', microtime(true));
require "$base/vendor/autoload.php";
$worker = new LaravelWorker(require "$base/bootstrap/app.php");

// From here on the workers are forked: everything up to this line is in memory once.
if (function_exists('askr_cow_ready')) {
    askr_cow_ready();
}
while (askr_handle_request($worker->answer(...))) {
}
