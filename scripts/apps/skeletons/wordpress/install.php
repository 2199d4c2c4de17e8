<?php
// install.php APP - make the tables of the blog in APP, with pretty permalinks.
define('WP_INSTALLING', true);
$_SERVER += ['HTTP_HOST' => 'localhost', 'SERVER_PROTOCOL' => 'HTTP/1.1'];
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['REQUEST_URI'] = '/wp-admin/install.php';
$_SERVER['PHP_SELF'] = '/wp-admin/install.php';

require "{$argv[1]}/wp-load.php";
require ABSPATH . 'wp-admin/includes/upgrade.php';
function wp_new_blog_notification(): void {} // there is nobody to write to

wp_install('Test Blog', 'admin', 'admin@example.com', true, '', 'adminpass');
update_option('permalink_structure', '/%year%/%monthnum%/%postname%/');
update_option('comment_moderation', 0);
update_option('comment_previously_approved', 0);
flush_rewrite_rules(false);
fwrite(STDOUT, is_blog_installed() ? "installed\n" : "");
exit(is_blog_installed() ? 0 : 1);
