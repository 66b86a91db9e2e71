package wire

import (
	"regexp"
	"strings"
)

// HTTPRule is a rule of a CiliumNetworkPolicy for requests, as the agent hands it to Envoy
// (Cilium pkg/envoy, getHTTPRule): each field an expression for the whole text.
type HTTPRule struct {
	Method, Path, Host string
	Headers            []string
	// Matches are `headerMatches` that a rule fails on; those with another action are left out.
	Matches []HeaderMatch
}

// HeaderMatch demands a header, with Value if there is one.
type HeaderMatch struct {
	Name, Value string
}

// Takes says whether the rule takes the request.
func (r HTTPRule) Takes(request *Request) bool {
	for _, field := range [][2]string{{r.Method, request.Method}, {r.Path, request.Path}, {r.Host, request.Host}} {
		if field[0] != "" && !whole(field[0], field[1]) {
			return false
		}
	}
	for _, header := range r.Headers {
		name, value, valued := strings.Cut(header, " ")
		if valued {
			name = strings.TrimRight(name, ":")
		}
		if !request.has(name, value, valued) {
			return false
		}
	}
	for _, match := range r.Matches {
		if !request.has(match.Name, match.Value, match.Value != "") {
			return false
		}
	}
	return true
}

func whole(expression, text string) bool {
	compiled, err := regexp.Compile("^(?:" + expression + ")$")
	return err == nil && compiled.MatchString(text)
}

func (r *Request) has(name, value string, valued bool) bool {
	var found []string
	for _, header := range r.Headers {
		if strings.EqualFold(header[0], name) {
			found = append(found, header[1])
		}
	}
	if len(found) == 0 {
		return false
	}
	return !valued || strings.Join(found, ",") == value
}
