// Before the first paint, so that a chosen theme never flashes. A classic script: modules run after the page is parsed.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the system's theme it is.
}
