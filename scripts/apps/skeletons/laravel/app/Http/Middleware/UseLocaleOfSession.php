<?php

namespace App\Http\Middleware;

use Closure;
use Illuminate\Http\Request;

/** Speak the language that the visitor chose. */
class UseLocaleOfSession
{
    public function handle(Request $request, Closure $next): mixed
    {
        if ($locale = $request->session()->get('locale')) {
            app()->setLocale($locale);
        }

        return $next($request);
    }
}
