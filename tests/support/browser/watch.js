// Before everything else on the page: notes what goes wrong.
window.watched = { errors: [], violations: [] };
addEventListener("error", (event) => watched.errors.push(event.message ?? "a resource failed"), true);
addEventListener("unhandledrejection", (event) => watched.errors.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => watched.violations.push(event.blockedURI));
