"""Never imported: the standard library's http.client comes first."""

raise ImportError("the app's folder hides the standard library")
