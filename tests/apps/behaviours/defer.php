<?php
$gate = $_GET['gate'];
askr_defer(function () { throw new LogicException('swallowed'); });
askr_defer(function () use ($gate) {
    for ($i = 0; $i < 3000 && !file_exists($gate); $i++) { usleep(10000); clearstatcache(); }
    file_put_contents("$gate.done", 'deferred');
});
echo 'answer';
