package main

import (
	"encoding/json"
	"strings"

	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/encoding/protojson"
)

// backendCluster takes the place of every cluster that a waypoint sends to.
const backendCluster = "backend"

// ours are filters that istio's own Envoy has and others have not; none of them decides about a request.
var ours = []string{"peer_metadata", "istio.stats", "istio.alpn", "metadata_exchange", "metadataexchange", "stackdriver", "grpc_stats"}

// adapt takes the two listeners of a waypoint that decide, so that any Envoy runs them: the tunnel's end without TLS,
// with the peer's name and address from headers of the CONNECT instead, and a backend for every cluster.
func adapt(listeners []*listener.Listener, slot int, socket string) ([]any, error) {
	var adapted []any
	for _, name := range []string{"main_internal", "connect_terminate"} {
		for _, one := range listeners {
			if one.Name != name {
				continue
			}
			text, err := protojson.Marshal(one)
			if err != nil {
				return nil, err
			}
			replaced := strings.NewReplacer(
				"%DOWNSTREAM_PEER_URI_SAN%", "%REQ(x-oracle-peer)%",
				"%DOWNSTREAM_REMOTE_ADDRESS%", "%REQ(x-oracle-source)%",
				"istio.hashable_string", "envoy.string",
			).Replace(string(text))
			var object map[string]any
			if err := json.Unmarshal([]byte(replaced), &object); err != nil {
				return nil, err
			}
			adapted = append(adapted, finish(object, name, slot, socket))
		}
	}
	return adapted, nil
}

func finish(object map[string]any, name string, slot int, socket string) any {
	cluster := backendCluster
	if name == "connect_terminate" {
		cluster = tunnel(slot)
		object["address"] = pipe(socket)
		delete(object, "additionalAddresses")
		delete(object, "connectionBalanceConfig")
		object["name"] = "connect_terminate" + socket
	} else {
		object["name"] = tunnel(slot)
	}
	strip(object, cluster)
	object["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener"
	return object
}

// strip goes through a listener: transport sockets and foreign filters go, clusters become ours.
func strip(value any, cluster string) {
	switch value := value.(type) {
	case map[string]any:
		if _, is := value["httpFilters"]; is {
			// Nobody is at the other end whose last bytes could be lost.
			value["delayedCloseTimeout"] = "0.005s"
		}
		delete(value, "transportSocket")
		delete(value, "accessLog")
		delete(value, "tracing")
		for key, inner := range value {
			if _, is := inner.(string); is && key == "cluster" {
				value[key] = cluster
				continue
			}
			if list, is := inner.([]any); is && (key == "filters" || key == "httpFilters") {
				value[key] = known(list)
			}
			strip(value[key], cluster)
		}
	case []any:
		for _, inner := range value {
			strip(inner, cluster)
		}
	}
}

func known(filters []any) []any {
	var kept []any
	for _, filter := range filters {
		named, _ := filter.(map[string]any)
		name, _ := named["name"].(string)
		config, _ := named["typedConfig"].(map[string]any)
		kind, _ := config["@type"].(string)
		inner, _ := config["typeUrl"].(string)
		foreign := false
		for _, one := range ours {
			foreign = foreign || strings.Contains(name+" "+kind+" "+inner, one)
		}
		if !foreign {
			kept = append(kept, filter)
		}
	}
	return kept
}
