"""FrankenPHP: how it is built (`build`) and started (`peer`)."""
