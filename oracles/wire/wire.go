// Package wire is what the referee asks of an oracle and what it is answered: one JSON object a line, in and out.
package wire

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// World is one question: what exists, and the cells that are asked about.
type World struct {
	ID          int               `json:"id"`
	ClusterName string            `json:"clusterName"`
	Nodes       []Node            `json:"nodes"`
	Namespaces  []Namespace       `json:"namespaces"`
	Pods        []Pod             `json:"pods"`
	Documents   []json.RawMessage `json:"documents"`
	Cells       []Cell            `json:"cells"`
}

// Node of the cluster.
type Node struct {
	Name         string   `json:"name"`
	Addresses    []string `json:"addresses"`
	ControlPlane bool     `json:"controlPlane"`
}

// Namespace with its labels.
type Namespace struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

// Pod that policies bind and select.
type Pod struct {
	Namespace      string            `json:"namespace"`
	Name           string            `json:"name"`
	Node           string            `json:"node"`
	ServiceAccount string            `json:"serviceAccount"`
	Labels         map[string]string `json:"labels"`
	Ports          []Port            `json:"ports"`
}

// Key is how cells name a pod.
func (p Pod) Key() string { return p.Namespace + "/" + p.Name }

// Port of a container.
type Port struct {
	Name     string `json:"name"`
	Number   int    `json:"number"`
	Protocol string `json:"protocol"`
}

// Cell is one side of one hop: a pod's policies, one direction, one peer, one port.
type Cell struct {
	Subject  string `json:"subject"`
	Ingress  bool   `json:"ingress"`
	Peer     Peer   `json:"peer"`
	Protocol string `json:"protocol"`
	// Port at the destination; of ICMP, the type.
	Port    uint16   `json:"port"`
	Request *Request `json:"request,omitempty"`
}

// Peer is the other end: a pod, a node, or an address, which a lookup of Name may have given.
type Peer struct {
	Pod     string `json:"pod,omitempty"`
	Node    string `json:"node,omitempty"`
	Address string `json:"address,omitempty"`
	Name    string `json:"name,omitempty"`
}

// Request is an HTTP request in clear text.
type Request struct {
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Host    string      `json:"host"`
	Headers [][2]string `json:"headers"`
	Token   *Token      `json:"token,omitempty"`
}

// Answer to a World.
type Answer struct {
	ID int `json:"id"`
	// Refused says, by the index of the document, why the engine takes no notice of it.
	Refused map[int]string `json:"refused"`
	// Verdicts has one word for each cell: `allow`, `deny`, or why there is none.
	Verdicts []string `json:"verdicts"`
}

// Serve answers each line of standard input.
func Serve[Question any](answer func(Question) Answer) {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 1 {
			var world Question
			if fault := json.Unmarshal(line, &world); fault != nil {
				fmt.Fprintln(os.Stderr, "not a world:", fault)
				os.Exit(2)
			}
			if fault := out.Encode(answer(world)); fault != nil {
				fmt.Fprintln(os.Stderr, fault)
				os.Exit(2)
			}
		}
		if err != nil {
			return
		}
	}
}

// Kind of a document.
type Kind struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
}
