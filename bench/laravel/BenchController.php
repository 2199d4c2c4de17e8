<?php

namespace App\Http\Controllers;

/** The plain route of the benchmark: an action of a controller, because `route:cache` would compile a closure again for each request. */
final class BenchController
{
    public function __invoke(): string
    {
        return 'Hello World';
    }
}
