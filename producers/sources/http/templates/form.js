document.getElementById("time_zone").value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
if (!location.search.includes("lang=")) document.getElementById("language").value = navigator.language || "";
