<?php
header('Content-Type: application/json');
$seen = [];
foreach ($_FILES as $field => $file) {
    foreach ((array) $file['tmp_name'] as $i => $tmp) {
        $error = ((array) $file['error'])[$i];
        $target = sys_get_temp_dir() . '/moved-' . bin2hex(random_bytes(8));
        $seen[] = ['field' => $field, 'name' => ((array) $file['name'])[$i], 'error' => $error, 'size' => ((array) $file['size'])[$i],
            'uploaded' => is_uploaded_file($tmp), 'sha1' => $tmp === '' ? null : sha1_file($tmp), 'tmp' => $tmp,
            'moved' => $tmp !== '' && move_uploaded_file($tmp, $target) && is_file($target) && unlink($target)];
    }
}
echo json_encode(['post' => $_POST, 'files' => $seen]);
