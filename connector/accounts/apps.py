from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "connector.accounts"
    label = "accounts"

    def ready(self) -> None:
        from connector.accounts import applications, sealing

        sealing.keys()
        applications.check_environment()
