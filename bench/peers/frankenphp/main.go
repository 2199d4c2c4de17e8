// FrankenPHP for the benchmark: Caddy with one handler that hands requests to the FrankenPHP library.
//
// Upstream's own Caddy module is a Go module of its own, which a proxy need not have; the library is what runs PHP in
// both. The handler's configuration is one line of a Caddyfile: `php <root> <executors> [<worker script>]`.
package main

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/dunglas/frankenphp"
)

const workerName = "bench"

// PHP is the handler. Worker is empty in classic mode.
type PHP struct {
	Root      string `json:"root"`
	Executors int    `json:"executors"`
	Worker    string `json:"worker,omitempty"`

	options []frankenphp.RequestOption
}

func init() {
	caddy.RegisterModule(PHP{})
	httpcaddyfile.RegisterHandlerDirective("php", readDirective)
	httpcaddyfile.RegisterDirectiveOrder("php", httpcaddyfile.Before, "file_server")
}

// CaddyModule names the handler.
func (PHP) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.bench_php", New: func() caddy.Module { return new(PHP) }}
}

func readDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	words := h.RemainingArgs()
	if len(words) < 2 || len(words) > 3 {
		return nil, h.ArgErr()
	}
	executors, err := strconv.Atoi(words[1])
	if err != nil {
		return nil, h.WrapErr(err)
	}
	handler := &PHP{Root: words[0], Executors: executors}
	if len(words) == 3 {
		handler.Worker = words[2]
	}
	return handler, nil
}

// Provision starts PHP's threads.
func (p *PHP) Provision(ctx caddy.Context) error {
	split, err := frankenphp.WithRequestSplitPath([]string{".php"})
	if err != nil {
		return err
	}
	p.options = []frankenphp.RequestOption{frankenphp.WithRequestResolvedDocumentRoot(p.Root), split}
	threads := p.Executors
	start := []frankenphp.Option{frankenphp.WithLogger(ctx.Slogger())}
	if p.Worker != "" {
		start = append(start, frankenphp.WithWorkers(workerName, p.Worker, p.Executors))
		p.options = append(p.options, frankenphp.WithWorkerName(workerName))
		threads++ // the library insists on one thread that is not a worker's
	}
	if err := frankenphp.Init(append(start, frankenphp.WithNumThreads(threads))...); err != nil {
		return fmt.Errorf("frankenphp: %w", err)
	}
	return nil
}

// Cleanup stops them.
func (*PHP) Cleanup() error {
	frankenphp.Shutdown()
	return nil
}

// ServeHTTP answers one request from PHP.
func (p *PHP) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	options := p.options
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		// try_files has rewritten the path; REQUEST_URI is what the client sent.
		options = append(options[:len(options):len(options)], frankenphp.WithOriginalRequest(&original))
	}
	request, err := frankenphp.NewRequestWithContext(r, options...)
	if err == nil {
		err = frankenphp.ServeHTTP(w, request)
	}
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	return nil
}

func main() { caddycmd.Main() }
