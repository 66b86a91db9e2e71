//! Gateway API kinds: the fields of the standard channel from 1.2 to 1.6
//! (`config/crd/standard` of kubernetes-sigs/gateway-api).

mod backend_tls;
mod filter;
mod gateway;
mod grpc_route;
mod http_route;
mod reference;
mod reference_grant;
mod tls_route;
mod validation;

pub use backend_tls::{BackendTlsPolicy, BackendTlsPolicySpec, BackendTlsValidation, SubjectAltName};
pub use filter::{
    CorsFilter, Fraction, GrpcFilterType, GrpcRouteFilter, HeaderModifier, HeaderValue, HttpFilterType,
    HttpRouteFilter, PathModifier, PathModifierType, RequestMirror, RequestRedirect, UrlRewrite,
};
pub use gateway::{
    AllowedRoutes, FromNamespaces, Gateway, GatewayAddress, GatewayClass, GatewayClassSpec, GatewaySpec, GatewayTls,
    Infrastructure, Listener, ListenerTls, RouteGroupKind, RouteNamespaces, TlsMode,
};
pub use grpc_route::{GrpcBackendRef, GrpcMethodMatch, GrpcRoute, GrpcRouteMatch, GrpcRouteRule, GrpcRouteSpec};
pub use http_route::{
    HttpBackendRef, HttpMethod, HttpPathMatch, HttpRoute, HttpRouteMatch, HttpRouteRule, HttpRouteSpec, MatchType,
    PathMatchType, ValueMatch,
};
pub use reference::{
    BackendObject, BackendObjectReference, LocalReference, ObjectReference, ParametersReference, ParentReference,
    PolicyTarget, SecretReference,
};
pub use reference_grant::{GrantFrom, GrantTo, ReferenceGrant, ReferenceGrantSpec};
pub use tls_route::{TlsBackendRef, TlsRoute, TlsRouteRule, TlsRouteSpec};
pub use validation::crd_findings;

/// API group of the Gateway API.
pub const GROUP: &str = "gateway.networking.k8s.io";
