"""Askr, an application server for PHP: the askr command."""
