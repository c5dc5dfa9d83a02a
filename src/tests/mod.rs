//! Black-box tests: a real server on a free port, a browser's worth of HTTP, the built-in sandbox as
//! the provider. Nothing here reaches into a module that a caller could not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops with the place and the cause")]

mod api;
mod api_connections;
mod api_integrations;
mod app;
mod attacks;
mod audit;
mod canary;
mod catalog;
mod choose;
mod command_line;
mod confirm;
mod connect;
mod connect_by_sdk;
mod connector_files;
mod cross_origin;
mod customers;
mod doctor;
mod drain;
mod embed;
mod faults;
mod floors;
mod flows;
mod guides;
mod headers;
mod hosts;
mod input;
mod limits;
mod links;
mod munity;
mod openapi;
mod operation;
mod own_connectors;
mod parameters;
mod park;
mod provider;
mod proxy;
mod readme;
mod receiver;
mod refresh;
mod roles;
mod sdk;
mod session;
mod ssrf;
mod start;
mod waiting;
mod webhooks;
mod workspace;
mod workspace_keys;
mod your_app;
