<?php
// Arithmetic and array writes; bench/documents.py computes the same.
$sum = 0;
$seen = array_fill(0, 256, 0);
for ($i = 0; $i < 40000; $i++) {
    $sum = ($sum * 31 + $i) & 0xffffff;
    $seen[$sum & 255] = $i;
}
echo md5(implode(',', $seen));
