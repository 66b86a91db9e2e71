package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"time"

	"airtight.dev/oracles/wire"
)

// The referee's issuers publish this key.
const secret = "a key that everybody knows, and that signs nothing but questions"

// sign writes a token.
func sign(token *wire.Token) string {
	algorithm, key := "HS256", secret
	claims := map[string]any{"exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(claims, token.Claims)
	for name, text := range map[string]string{"iss": token.Issuer, "sub": token.Subject} {
		if text != "" {
			claims[name] = text
		}
	}
	switch len(token.Audiences) {
	case 0:
	case 1:
		claims["aud"] = token.Audiences[0]
	default:
		claims["aud"] = token.Audiences
	}
	switch token.State {
	case "expired":
		claims["exp"] = time.Now().Add(-time.Hour).Unix()
	case "not-yet-valid":
		claims["nbf"] = time.Now().Add(30 * time.Minute).Unix()
	case "forged":
		key = "another key"
	case "unsigned":
		algorithm = "none"
	}
	head := part(map[string]any{"alg": algorithm, "typ": "JWT", "kid": "oracle"}) + "." + part(claims)
	if algorithm == "none" {
		return head + "."
	}
	code := hmac.New(sha256.New, []byte(key))
	code.Write([]byte(head))
	return head + "." + base64.RawURLEncoding.EncodeToString(code.Sum(nil))
}

func part(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}
