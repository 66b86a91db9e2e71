package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
)

// slots for listeners that end tunnels: a slot is taken again long after its listener has been drained.
const slots = 64

// envoy is a real one, on unix sockets in a folder of its own and on loopback.
type envoy struct {
	folder  string
	process *exec.Cmd
	backend net.Listener
	next    int
	// sockets of the waypoints of the world at hand, by their Gateways.
	sockets map[string]string
	serving []any
	version int
}

func startEnvoy(program string) (*envoy, error) {
	folder, err := os.MkdirTemp("", "oracle")
	if err != nil {
		return nil, err
	}
	proxy := &envoy{folder: folder, sockets: map[string]string{}}
	if proxy.backend, err = net.Listen("unix", proxy.path("backend")); err != nil {
		return nil, err
	}
	go greet(proxy.backend)
	if err := proxy.publish(); err != nil {
		return nil, err
	}
	bootstrap := filepath.Join(folder, "bootstrap.json")
	if err := os.WriteFile(bootstrap, []byte(written(proxy.bootstrap())), 0o600); err != nil {
		return nil, err
	}
	proxy.process = exec.Command(program, "-c", bootstrap, "--concurrency", "1", "--use-dynamic-base-id",
		"--drain-time-s", "1", "--log-level", logLevel(), "--disable-hot-restart")
	proxy.process.Stderr = os.Stderr
	// It ends with the thread that started it, which is the oracle's own, however that ends.
	runtime.LockOSThread()
	proxy.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return proxy, proxy.process.Start()
}

func (e *envoy) stop() {
	_ = e.process.Process.Kill()
	_ = e.process.Wait()
	_ = os.RemoveAll(e.folder)
}

func (e *envoy) path(name string) string { return filepath.Join(e.folder, name) }

// greet answers whatever comes with one line that is HTTP as well, and hangs up.
func greet(backend net.Listener) {
	for {
		conn, err := backend.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			if _, err := conn.Read(make([]byte, 65536)); err == nil {
				_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
			}
		}()
	}
}

func (e *envoy) bootstrap() any {
	cluster := func(name string, address any) any {
		return map[string]any{
			"name": name, "type": "STATIC", "load_assignment": map[string]any{
				"cluster_name": name, "endpoints": []any{map[string]any{
					"lb_endpoints": []any{map[string]any{"endpoint": map[string]any{"address": address}}},
				}},
			},
		}
	}
	clusters := []any{cluster(backendCluster, pipe(e.path("backend")))}
	for slot := range slots {
		internal := cluster(tunnel(slot), map[string]any{
			"envoy_internal_address": map[string]any{"server_listener_name": tunnel(slot)},
		}).(map[string]any)
		internal["transport_socket"] = map[string]any{
			"name": "envoy.transport_sockets.internal_upstream",
			"typed_config": map[string]any{
				"@type":            "type.googleapis.com/envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
				"transport_socket": map[string]any{"name": "envoy.transport_sockets.raw_buffer", "typed_config": map[string]any{"@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}},
			},
		}
		clusters = append(clusters, internal)
	}
	return map[string]any{
		"node":             map[string]any{"id": "oracle", "cluster": "oracle"},
		"static_resources": map[string]any{"clusters": clusters},
		"bootstrap_extensions": []any{map[string]any{
			"name":         "envoy.bootstrap.internal_listener",
			"typed_config": map[string]any{"@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"},
		}},
		"dynamic_resources": map[string]any{"lds_config": map[string]any{
			"resource_api_version": "V3",
			"path_config_source": map[string]any{
				"path": e.path("listeners.json"), "watched_directory": map[string]any{"path": e.folder},
			},
		}},
	}
}

func pipe(path string) any {
	return map[string]any{"pipe": map[string]any{"path": path}}
}

func tunnel(slot int) string { return fmt.Sprintf("main_internal_%d", slot) }

// serve adds a waypoint's listeners, and waits until they are there.
func (e *envoy) serve(gateway string, listeners []*listener.Listener) error {
	slot := e.next % slots
	e.next++
	socket := e.path(fmt.Sprintf("waypoint%d", e.next))
	ours, err := adapt(listeners, slot, socket)
	if err != nil {
		return err
	}
	e.sockets[gateway] = socket
	e.serving = append(e.serving, ours...)
	if err := e.publish(); err != nil {
		return err
	}
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if conn, err := net.Dial("unix", socket); err == nil {
			return conn.Close()
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("Envoy takes no listeners for %s", gateway)
}

// forget the world at hand; its listeners go with the next one's.
func (e *envoy) forget() {
	e.serving = nil
	e.sockets = map[string]string{}
}

// publish writes the listeners where Envoy looks for them, all at once.
func (e *envoy) publish() error {
	e.version++
	type response struct {
		Version   string `json:"version_info"`
		Resources []any  `json:"resources"`
	}
	text, err := json.Marshal(response{fmt.Sprint(e.version), e.serving})
	if err != nil {
		return err
	}
	fresh := e.path("listeners.new")
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, e.path("listeners.json"))
}

// logLevel of the proxy; AIRTIGHT_ENVOY_LOG names another.
func logLevel() string {
	if named := os.Getenv("AIRTIGHT_ENVOY_LOG"); named != "" {
		return named
	}
	return "error"
}
