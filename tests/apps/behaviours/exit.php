<?php
$deep = function (int $n) use (&$deep): void {
    if ($n === 0) {
        exit('bye');
    }
    $deep($n - 1);
};
register_shutdown_function(function () { echo ' and shutdown'; });
try {
    echo 'said ';
    $deep(3);
} finally {
    echo 'never shown';
}
