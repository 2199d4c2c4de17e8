<?php

namespace App\Http\Controllers;

use App\Models\Note;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Context;
use Illuminate\Support\Facades\Cookie;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\URL;
use Illuminate\Support\Facades\View;
use Illuminate\Support\Str;

/** What a request may leave behind in an application that stays booted, and what the next one sees of it. */
class TraceController
{
    private static int $served = 0;

    /** Change everything that is shared; the next request must not notice. */
    public function leave(): array
    {
        config(['app.name' => 'changed', 'app.locale' => 'de']);
        app()->setLocale('de');
        app()->instance('left-behind', true);
        app()->terminating(fn () => Note::create(['title' => 'terminated']));
        Auth::setUser(\App\Models\User::firstOrFail());
        Context::add('left', 'behind');
        Cookie::queue('left', 'behind', 5);
        DB::beginTransaction();
        Note::create(['title' => 'never committed']);
        Log::withContext(['left' => 'behind']);
        URL::forceRootUrl('http://elsewhere.example');
        URL::defaults(['name' => 'changed']);
        View::share('left', 'behind');

        return ['left' => true];
    }

    /** What is still there of it. */
    public function look(Request $request): array
    {
        return [
            'name' => config('app.name'),
            'locale' => app()->getLocale(),
            'config_locale' => config('app.locale'),
            'translated' => __('Welcome'),
            'instance' => app()->bound('left-behind'),
            'user' => Auth::user()?->email,
            'context' => Context::all(),
            'cookies' => count(Cookie::getQueuedCookies()),
            'transactions' => DB::transactionLevel(),
            'uncommitted' => Note::where('title', 'never committed')->count(),
            'terminated' => Note::where('title', 'terminated')->count(),
            'log' => Log::sharedContext(),
            'url' => url('/x'),
            'defaults' => URL::getDefaultParameters(),
            'shared' => View::shared('left'),
            'path' => $request->path(),
            'snake' => Str::snake('SomeWords'),
            'session' => $request->session()->all() === [] || ! $request->session()->has('user'),
        ];
    }

    /** How many requests the application has served since it was booted: more than 1 only in worker mode. */
    public function served(): array
    {
        return ['served' => ++self::$served, 'pid' => getmypid()];
    }
}
