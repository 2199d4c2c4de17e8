<?php
ignore_user_abort((bool) $_GET['ignore']);
register_shutdown_function(function () { file_put_contents($_GET['mark'], 'aborted=' . connection_aborted()); });
echo str_repeat('x', 65536);
flush();
for ($i = 0; $i < 3000 && !connection_aborted(); $i++) { usleep(10000); echo '.'; flush(); }
file_put_contents($_GET['mark'] . '.after', 'went on');
