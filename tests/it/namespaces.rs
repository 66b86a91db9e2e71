//! Objects that name no namespace, as `kubectl apply` takes them.

use crate::shop::Shop;

const BARE: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: main, image: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: ''}
spec: {containers: [{name: main, image: s, ports: [{containerPort: 80}]}]}
";

const DENY_ALL: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-all}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
";

fn explained(manifests: &str) -> String {
    let shop = Shop::new();
    shop.write("own/bare.yaml", manifests);
    shop.run(&["explain", "default/client", "pod/default/server:80", "--manifests", "own"])
}

#[test]
fn bare_pods_are_in_the_default_namespace_and_its_policies_bind_them() {
    let open = explained(BARE);
    assert!(open.starts_with("exit 0\n"), "{open}");
    let denied = explained(&format!("{BARE}---\n{DENY_ALL}"));
    let (_, decided) = denied.split_once("cni-egress").unwrap();
    assert!(decided.contains("NetworkPolicy default/deny-all"), "{denied}");
}
