addEventListener("keydown", (event) => {
  const open = document.querySelector(".panel:target");
  if (event.key === "Escape" && open) open.querySelector(".close").click();
});
