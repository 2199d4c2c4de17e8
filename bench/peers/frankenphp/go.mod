module askr/bench/frankenphp

go 1.25.0

require (
	github.com/caddyserver/caddy/v2 v2.11.4
	github.com/dunglas/frankenphp v1.12.4
)
