
// Added by the benchmark: without session and cookies, so that it is the framework that is measured.
Route::get('/bench', App\Http\Controllers\BenchController::class)->withoutMiddleware('web');
