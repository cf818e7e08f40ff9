// The header: title, state of the servers, sign out.
(function () {
  "use strict";
  const element = (type, props) => ({ namespace: "dash_html_components", type: type, props: props });
  const SERVERS = { images: "Images", jobs: "Jobs" };

  function csrf() {
    const found = document.cookie.match(/(?:^|; )_csrf_token=([^;]*)/);
    return found ? decodeURIComponent(found[1]) : "";
  }

  function stateOf(name, faults) {
    if (!faults || faults.page) return ["unknown", "not known now"];
    if (faults[name]) return ["away", faults[name]];
    if (faults.loaded && !faults.loaded[name]) return ["unknown", "being asked"];
    return ["good", "answers"];
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    shell: {
      title: (image) => {
        document.title = image ? image.title + " · tomobeam" : "tomobeam";
        if (!image) return "No reconstruction chosen";
        const [slices, height, width] = image.shape;
        const size = slices + " slices, " + height + " × " + width;
        return [
          element("Span", { children: image.title, className: "name" }),
          element("Span", { children: size, className: "quiet" }),
        ];
      },
      states: (faults) =>
        Object.entries(SERVERS).map(([name, words]) => {
          const [state, reason] = stateOf(name, faults);
          return element("Span", {
            children: words, className: "state " + state, title: words + ": " + reason,
          });
        }),
      banner: (faults) => {
        if (!faults) return null;
        const page = faults.page;
        if (page && page.signIn) {
          return element("P", {
            children: [
              page.words + " ",
              element("A", {
                children: "Sign in again in a new tab; this page then goes on.",
                href: "/login", target: "_blank",
              }),
            ],
          });
        }
        const words = page ? [page.words] : [faults.images, faults.jobs].filter(Boolean);
        return words.map((text) => element("P", { children: text }));
      },
      signOut: (clicks) => {
        if (!clicks) return window.dash_clientside.no_update;
        fetch("/logout", { method: "POST", headers: { "X-CSRFToken": csrf() } })
          .finally(() => window.location.assign("/login"));
        return true;
      },
    },
  });
})();
