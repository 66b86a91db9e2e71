package main

import (
	"encoding/json"
	"fmt"
	"sort"

	kyvernov1 "github.com/kyverno/kyverno/api/kyverno/v1"
	kyvernov2 "github.com/kyverno/kyverno/api/kyverno/v2"
	expressions "github.com/kyverno/kyverno/api/policies.kyverno.io/v1alpha1"
	vpol "github.com/kyverno/kyverno/pkg/cel/policies/vpol"
	"github.com/kyverno/kyverno/pkg/clients/dclient"
	"github.com/kyverno/kyverno/pkg/config"
	"github.com/kyverno/kyverno/pkg/engine"
	engineapi "github.com/kyverno/kyverno/pkg/engine/api"
	"github.com/kyverno/kyverno/pkg/engine/factories"
	"github.com/kyverno/kyverno/pkg/engine/jmespath"
	imageverifycache "github.com/kyverno/kyverno/pkg/imageverifycache"
	"github.com/kyverno/kyverno/pkg/policycache"
	validation "github.com/kyverno/kyverno/pkg/validation/policy"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"

	"airtight.dev/oracles/wire"
)

// admin makes every object.
var admin = kyvernov2.RequestInfo{
	ClusterRoles: []string{"cluster-admin"},
	AdmissionUserInfo: authenticationv1.UserInfo{
		Username: "kubernetes-admin", Groups: []string{"kubeadm:cluster-admins", "system:authenticated"},
	},
}

// kyverno with the policies that its own webhook takes.
type kyverno struct {
	engine        engineapi.Engine
	configuration config.Configuration
	cache         policycache.Cache
	// own are policies with a webhook of their own, because of its conditions.
	own         []kyvernov1.PolicyInterface
	expressions []expressions.ValidatingPolicy
	exceptions  exceptions
	namespaces  map[string]map[string]string
	refused     map[int]string
}

func install(question wire.Admission) *kyverno {
	configuration := config.NewDefaultConfiguration(false)
	made := &kyverno{configuration: configuration, cache: policycache.NewCache(), namespaces: question.Namespaces, refused: map[int]string{}}
	for index, document := range question.Policies {
		if err := made.take(document); err != nil {
			made.refused[index] = err.Error()
		}
	}
	made.engine = newEngine(configuration, nil, made.exceptions)
	return made
}

// asked are the policies that a webhook asks about a request, in one order: Go's maps give any
// (pkg/webhooks/resource/handlers.go, retrieveAndCategorizePolicies).
func (k *kyverno) asked(kind policycache.PolicyType, seen request, has func(*kyvernov1.Spec) bool) []kyvernov1.PolicyInterface {
	home := seen.Namespace
	policies := k.cache.GetPolicies(kind, schema.GroupVersionResource(seen.Resource), "", home)
	for _, policy := range k.own {
		if has(policy.GetSpec()) && (!policy.IsNamespaced() || policy.GetNamespace() == seen.Namespace) {
			policies = append(policies, policy)
		}
	}
	sort.SliceStable(policies, func(a, b int) bool { return key(policies[a]) < key(policies[b]) })
	return policies
}

func key(policy kyvernov1.PolicyInterface) string {
	if policy.GetNamespace() == "" {
		return policy.GetName()
	}
	return policy.GetNamespace() + "/" + policy.GetName()
}

func newEngine(configuration config.Configuration, client engineapi.Client, selector engineapi.PolicyExceptionSelector) engineapi.Engine {
	cluster := false
	return engine.NewEngine(configuration, config.NewDefaultMetricsConfiguration(), jmespath.New(configuration), client, nil,
		imageverifycache.DisabledImageVerifyCache(), factories.DefaultContextLoaderFactory(nil), selector, &cluster)
}

// take adds a policy or an exception, unless Kyverno's webhook refuses it.
func (k *kyverno) take(document json.RawMessage) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	var meta struct{ Kind string }
	if err := json.Unmarshal(document, &meta); err != nil {
		return err
	}
	switch meta.Kind {
	case "ClusterPolicy":
		return k.takePolicy(document, &kyvernov1.ClusterPolicy{})
	case "Policy":
		return k.takePolicy(document, &kyvernov1.Policy{})
	case "PolicyException":
		exception := &kyvernov2.PolicyException{}
		if err := json.Unmarshal(document, exception); err != nil {
			return err
		}
		k.exceptions = append(k.exceptions, exception)
	case "ValidatingPolicy":
		policy := &expressions.ValidatingPolicy{}
		if err := json.Unmarshal(document, policy); err != nil {
			return err
		}
		if _, err := vpol.Validate(policy); err != nil {
			return err
		}
		k.expressions = append(k.expressions, *policy)
	default:
		return fmt.Errorf("kind %s", meta.Kind)
	}
	return nil
}

func (k *kyverno) takePolicy(document json.RawMessage, policy kyvernov1.PolicyInterface) error {
	if err := json.Unmarshal(document, policy); err != nil {
		return err
	}
	client := dclient.NewEmptyFakeClient()
	client.GetKubeClient().Discovery().(*fakediscovery.FakeDiscovery).FakedServerVersion = &version.Info{GitVersion: "v1.31.0"}
	_, err := validation.Validate(policy, nil, client, true, serviceAccount, serviceAccount)
	// The last check asks the cluster for the types of what expressions look at, and there is none.
	if err != nil && err.Error() != "not found" {
		return err
	}
	if policy.GetSpec().CustomWebhookMatchConditions() {
		k.own = append(k.own, policy)
		return nil
	}
	return k.cache.Set(key(policy), policy, kinds)
}

const serviceAccount = "system:serviceaccount:kyverno:kyverno-background-controller"

// exceptions count in every namespace (pkg/exceptions/selector.go).
type exceptions []*kyvernov2.PolicyException

// Find names those that may except a rule of a policy.
func (e exceptions) Find(policy, rule string) ([]*kyvernov2.PolicyException, error) {
	var found []*kyvernov2.PolicyException
	for _, exception := range e {
		if exception.Contains(policy, rule) {
			found = append(found, exception)
		}
	}
	return found, nil
}
