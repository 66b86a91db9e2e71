package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"airtight.dev/oracles/wire"
)

// patience with one connection.
const patience = 5 * time.Second

// dial opens a tunnel to a Service through its waypoint, as the client's ztunnel does, and says what comes back: a
// status, `allow` if the other end answered bytes, and `deny` if the connection ended.
func (e *envoy) dial(flow wire.Flow, client wire.Workload) string {
	socket, known := e.sockets[flow.Gateway]
	if !known {
		return "unasked: no waypoint " + flow.Gateway
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return "unasked: " + err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	authority := fmt.Sprintf("%s:%d", flow.Address, flow.Port)
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nx-oracle-peer: spiffe://cluster.local/ns/%s/sa/%s\r\nx-oracle-source: %s:40000\r\n\r\n",
		authority, authority, client.Namespace, client.ServiceAccount, client.Address)
	reader := bufio.NewReader(conn)
	if status := status(reader); status != "200" {
		return "unasked: the tunnel is answered " + status
	}
	switch {
	case flow.ServerName != "":
		return handshake(&tunnelled{conn, reader}, flow.ServerName)
	case flow.Request != nil:
		return request(conn, reader, flow.Request)
	}
	_, _ = conn.Write([]byte("\x00\x01 no HTTP\n"))
	return bytes(reader)
}

// tunnelled is a connection of which the head has been read.
type tunnelled struct {
	net.Conn
	reader io.Reader
}

func (t *tunnelled) Read(buffer []byte) (int, error) { return t.reader.Read(buffer) }

// handshake gets through if the other end, which speaks no TLS, answers it at all.
func handshake(conn net.Conn, name string) string {
	err := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake()
	if err != nil && strings.Contains(err.Error(), "does not look like a TLS handshake") {
		return "allow"
	}
	return "deny"
}

func request(conn net.Conn, reader *bufio.Reader, request *wire.Request) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\n", request.Method, request.Path, request.Host)
	for _, header := range request.Headers {
		fmt.Fprintf(&text, "%s: %s\r\n", header[0], header[1])
	}
	if request.Token != nil {
		fmt.Fprintf(&text, "Authorization: Bearer %s\r\n", sign(request.Token))
	}
	text.WriteString("\r\n")
	if _, err := conn.Write([]byte(text.String())); err != nil {
		return "deny"
	}
	if status := status(reader); status != "" {
		return status
	}
	return "deny"
}

// bytes get through if the backend answered; a proxy that takes them for a bad request answers as well.
func bytes(reader *bufio.Reader) string {
	if status(reader) == "200" {
		return "allow"
	}
	return "deny"
}

// status of a response, whose head is read; none if there is no response.
func status(reader *bufio.Reader) string {
	line, err := reader.ReadString('\n')
	if err != nil {
		return ""
	}
	fields := strings.Fields(line)
	for {
		header, err := reader.ReadString('\n')
		if err != nil || strings.TrimSpace(header) == "" {
			break
		}
	}
	if len(fields) < 2 {
		return ""
	}
	return fields[1]
}
