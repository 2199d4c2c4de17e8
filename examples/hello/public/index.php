<?php
// The example that `make serve` shows: who answered, what PHP was told about the request, and what to do next.
// It is also a front controller: /api/status is answered here, what does not exist gets a 404.

declare(strict_types=1);

function status(): array
{
    return [
        'php' => PHP_VERSION,
        'sapi' => PHP_SAPI,
        'pid' => getmypid(),
        'opcache' => function_exists('opcache_get_status') && (bool) ini_get('opcache.enable'),
        'memory' => memory_get_peak_usage(true),
        'time' => date(DATE_ATOM, (int) $_SERVER['REQUEST_TIME']),
    ];
}

function e(mixed $text): string
{
    return htmlspecialchars((string) $text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

function rows(array $values): string
{
    $html = '';
    foreach ($values as $name => $value) {
        $html .= '<tr><th scope="row">' . e($name) . '</th><td>' . e($value) . "</td></tr>\n";
    }
    return $html;
}

$path = strtok($_SERVER['REQUEST_URI'] ?? '/', '?');
if ($path === '/api/status') {
    header('Content-Type: application/json');
    header('Cache-Control: no-store');
    echo json_encode(status(), JSON_THROW_ON_ERROR | JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES), "\n";
    return;
}
if ($path !== '/' && $path !== '/index.php') {
    http_response_code(404);
}

$status = status();
$request = [];
foreach (['REQUEST_METHOD', 'REQUEST_URI', 'SERVER_PROTOCOL', 'HTTP_HOST', 'REMOTE_ADDR', 'HTTP_USER_AGENT', 'DOCUMENT_ROOT'] as $name) {
    $request[$name] = $_SERVER[$name] ?? '–';
}
header('Content-Type: text/html; charset=utf-8');
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title><?= http_response_code() === 404 ? 'Not found' : 'Hello from Askr' ?></title>
<link rel="stylesheet" href="/style.css">
<main>
<?php if (http_response_code() === 404): ?>
  <h1>Nothing at <code><?= e($path) ?></code></h1>
  <p>No file has this name, so the front controller answered: <code>index.php</code>, with status 404. <a href="/">Back to the start</a></p>
<?php else: ?>
  <h1>Hello from PHP <?= e(PHP_VERSION) ?></h1>
  <p class="lead">Askr answered this request with embedded PHP, in worker process <strong id="pid"><?= e($status['pid']) ?></strong>.</p>

  <section>
    <h2>This request</h2>
    <table>
<?= rows($request) ?>
    </table>
  </section>

  <section>
    <h2>This worker</h2>
    <table>
<?= rows([
    'Interface' => $status['sapi'],
    'OPcache' => $status['opcache'] ? 'on' : 'off (turn it on with --ini opcache.enable=1)',
    'Peak memory' => number_format($status['memory'] / 1024) . ' KiB',
    'Server time' => $status['time'],
    'Extensions' => count(get_loaded_extensions()),
]) ?>
    </table>
    <p>The same as JSON: <a href="/api/status">/api/status</a></p>
  </section>

  <section>
    <h2>What to do next</h2>
    <ol>
      <li>Serve your own application: <code>askr serve --root /path/to/app/public</code></li>
      <li>Ask whether this machine has what it needs: <code>askr doctor --app /path/to/app</code></li>
      <li>Keep it booted between requests: <code>askr serve --root public --worker-script worker.php</code></li>
      <li>Put the flags into a file: start from <code>examples/askr.toml</code>, then <code>askr serve --config askr.toml</code></li>
    </ol>
  </section>
<?php endif ?>
</main>
</html>
