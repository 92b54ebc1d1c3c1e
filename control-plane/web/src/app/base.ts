// Where the interface lies: the server tells each page how far up, and a proxy may have put any path before it.

/** The interface's root as a URL that ends with a slash. */
export const root = new URL('.', document.baseURI);

/** The path before every route, without its last slash. */
export const basePath = root.pathname.replace(/\/$/, '');

/** Whether the server had no user when it made this page. */
export const wantsSetup = document.documentElement.dataset.setup === 'wanted';
