<?php
// Added to the generated settings, so that a copy of the wiki works wherever it lies and whatever port it gets.
$wgServer = 'http://' . ($_SERVER['HTTP_HOST'] ?? 'localhost');
$wgSQLiteDataDir = __DIR__ . '/data';
$wgCacheDirectory = __DIR__ . '/cache';
$wgUploadDirectory = __DIR__ . '/images';
$wgMainCacheType = CACHE_DB;
$wgArticlePath = '/wiki/$1';
$wgUsePathInfo = true;
$wgEnableEmail = false;
$wgJobRunRate = 0;
$wgPingback = false;
$wgShowExceptionDetails = true;
